"""Seeded damage to files."""


def mutated(content, random):
    """A damaged copy: bits flipped, bytes written over, cut or inserted.

    Args:
        content: Bytes.
        random: `random.Random`.

    Returns:
        Bytes, which may be equal by chance.
    """
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        place = random.randrange(len(damaged) + 1)
        length = random.choice((1, 1, 2, 8, 64))
        kind = random.randrange(5)
        if kind == 0 and place < len(damaged):
            damaged[place] ^= 1 << random.randrange(8)
        elif kind == 1:
            damaged[place : place + length] = random.randbytes(length)
        elif kind == 2:
            del damaged[place : place + length]
        elif kind == 3:
            damaged[place:place] = random.choice(
                (random.randbytes(length), bytes(length), damaged[:length])
            )
        else:
            del damaged[place:]
    return bytes(damaged)
