"""``python -m napari_diffuscope`` is the command ``diffuscope``."""

from napari_diffuscope.cli import main

if __name__ == "__main__":
    main()
