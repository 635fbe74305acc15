"""The random choices of the library, anew: ChaCha with 8 rounds, a stream for each step."""

import copy
import math

WORD = 0xFFFFFFFF


def seed_words(seed):
    """Eight words of a key from 64 bits, by PCG32."""
    words, state = [], seed
    for _ in range(8):
        state = (state * 6364136223846793005 + 11634580027462260723) % 2**64
        x = (((state >> 18) ^ state) >> 27) & WORD
        turn = state >> 59
        words.append((x >> turn | x << (32 - turn)) & WORD)
    return words


def block(key, counter, stream):
    """Sixteen words of the key stream."""
    state = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key]
    state += [counter & WORD, counter >> 32, stream & WORD, stream >> 32]
    w = list(state)

    def quarter(a, b, c, d):
        for p, q, r, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            w[p] = (w[p] + w[q]) & WORD
            x = w[r] ^ w[p]
            w[r] = (x << turn | x >> (32 - turn)) & WORD

    for _ in range(4):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return [(a + b) & WORD for a, b in zip(w, state)]


class Draws:
    """What a step draws."""

    def __init__(self, seed, t, lower=1, upper=1):
        self.key, self.stream, self.counter, self.words = seed_words(seed), t, 0, []
        self.blocks = (lower, upper)

    def again(self):
        return copy.deepcopy(self)

    def bits(self):
        """64 bits, the low word first."""
        if not self.words:
            self.words = block(self.key, self.counter, self.stream)
            self.counter += 1
        low, high, *self.words = self.words
        return high << 32 | low

    def below(self, n):
        return self.bits() * n >> 64

    def lower(self):
        return self.below(self.blocks[0])

    def upper(self):
        return self.below(self.blocks[1])

    def normal(self):
        """A standard normal number by the ziggurat of 256 layers (Marsaglia, Tsang, 2000)."""
        while True:
            bits = self.bits()
            i, u = bits & 0xFF, (bits >> 12) / 2**51 - 1
            x = u * EDGES[i]
            if abs(x) < EDGES[i + 1]:
                return x
            assert i > 0, "the tail is not needed here"
            share = (self.bits() >> 11) / 2**53
            low, high = density(EDGES[i]), density(EDGES[i + 1])
            if high + (low - high) * share < density(x):
                return x


def density(x):
    return math.exp(-x * x / 2)


def edges():
    """Where the layers, which are of one area, end."""
    first = 3.654152885361008796
    area = first * density(first) + math.sqrt(math.pi / 2) * math.erfc(first / math.sqrt(2))
    x = [area / density(first), first]
    while len(x) < 256:
        x.append(math.sqrt(-2 * math.log(area / x[-1] + density(x[-1]))))
    return [*x, 0.0]


EDGES = edges()
