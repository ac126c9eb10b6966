"""Names that do not cover one another: along one line, and around the points of a plane."""

from collections.abc import Sequence

Box = tuple[float, float, float, float]


def spread(wished: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions at least `gap` apart, each as near to the wished one as the others allow, in the same order.

    Neighbours that collide become a block, centred on the mean of what its members wished; blocks merge until none
    collide.

    Args:
        wished: positions, in any order.
        gap: least distance between two.
        low: no position is below, unless they would not fit.
        high: no position is above, unless they would not fit.

    Example:
        >>> spread([0.0, 0.1, 5.0], 1.0, -10, 10)
        [-0.45, 0.55, 5.0]
        >>> spread([10.0, 9.9], 1.0, 0, 10)
        [10.0, 9.0]
    """
    order = sorted(range(len(wished)), key=lambda i: (wished[i], i))
    blocks: list[tuple[list[int], float]] = []  # members, position of the first
    room = max(high - low, gap * (len(wished) - 1))
    for i in order:
        members, first = [i], min(max(wished[i], low), low + room)
        while blocks and blocks[-1][1] + gap * len(blocks[-1][0]) > first:
            members = blocks.pop()[0] + members
            middle = sum(wished[k] for k in members) / len(members)
            length = gap * (len(members) - 1)
            first = min(max(middle - length / 2, low), max(low, low + room - length))
        blocks.append((members, first))
    placed = [0.0] * len(wished)
    for members, first in blocks:
        for j, i in enumerate(members):
            placed[i] = first + gap * j
    return placed


def overlap(a: Box, b: Box) -> float:
    """Return the area that two boxes (left, bottom, right, top) share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


def place(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    obstacles: Sequence[Box],
    frame: Box,
) -> list[tuple[float, float]]:
    """Return the left bottom corner of a name for each point, where it covers least of names, marks and lines.

    Greedy in the order given, so the important names come first.

    Args:
        points: where the names belong.
        sizes: width and height of each name.
        obstacles: boxes that a name should not cover.
        frame: what it should not leave.
    """
    taken: list[Box] = []
    corners = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        best, cost_of_best = (x, y), float("inf")
        for far in (7.0, 15.0, 26.0, 40.0):
            for across, up in ((1, 0), (1, 1), (-1, 1), (1, -1), (-1, 0), (-1, -1), (0, 1), (0, -1)):
                left = x + across * far if across > 0 else x - width - far if across < 0 else x - width / 2
                bottom = y + up * far * 0.8 - height / 2
                box = (left, bottom, left + width, bottom + height)
                outside = width * height - overlap(box, frame)
                cost = 30 * outside + 12 * sum(overlap(box, other) for other in taken)
                cost += 3 * sum(overlap(box, other) for other in obstacles) + 4.0 * far
                if cost < cost_of_best:
                    best, cost_of_best = (left, bottom), cost
        taken.append((best[0] - 1, best[1], best[0] + width + 1, best[1] + height))
        corners.append(best)
    return corners
