"""What does an agent learn from what, and what does each part of it bring?

Design. One agent (`maskable_ppo`) is trained again and again with equal steps and seeds, one thing changed at a time
(`courses`): how far it looks ahead, what it is shown, what it is rewarded with, whether contacts have a price; and the other
agents beside it. Each is then played (`played`) with the best priced and capped heuristics and the planner that knows the
hidden state, on worlds and luck that nobody trained on or was chosen by, all on the same people. Intervals (`results`) are of
paired differences, person by person. What the reference agent reads (`reading`) is told by dealing its inputs out anew.

`python -m cardarena.benchmarks.learning --out out/learning` plays it. What is trained is kept and taken again when the same
command asks for it; an interrupted training goes on where it stopped.
"""

from cardarena.benchmarks.learning.courses import COURSES, Course, Sizes
from cardarena.benchmarks.learning.work import measure

__all__ = ["COURSES", "Course", "Sizes", "measure"]
