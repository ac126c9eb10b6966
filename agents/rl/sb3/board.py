# pyright: reportMissingImports=false
"""The learning curve for TensorBoard."""

from pathlib import Path


class Board:
    """Writes rows of a curve until it is closed."""

    def __init__(self, folder: Path) -> None:
        """Begin a run's file in the folder."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def write(self, steps: int, row: dict[str, float]) -> None:
        """Write a row at these steps."""
        for name, value in row.items():
            self._writer.add_scalar(name, value, steps)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
