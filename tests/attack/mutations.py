"""Damage done to files, from a seed."""


def mutated(content, random):
    """Bytes with some changed, cut out or doubled, or the end cut off."""
    content = bytearray(content)
    for _ in range(random.integers(1, 4)):
        place, other = sorted(random.integers(0, len(content) + 1, 2))
        kind = random.integers(4)
        if kind == 0:
            content[place % len(content)] = random.integers(256)
        elif kind == 1:
            del content[place : place + random.integers(1, 9)]
        elif kind == 2:
            content[place:place] = content[place : min(other, place + 99)]
        else:
            del content[max(other, 1) :]
        content = content or bytearray(b"x")
    return bytes(content)
