"""Annotation files, with the line ends of any system."""


def write(folder, name, lines, ending="\n", start=""):
    folder.mkdir(parents=True, exist_ok=True)
    text = start + ending.join(lines) + ending
    (folder / name).write_bytes(text.encode())
