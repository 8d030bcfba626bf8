"""``python -m napari_diffuscope`` is the command ``diffuscope``."""

from napari_diffuscope.cli import program

if __name__ == "__main__":
    program()
