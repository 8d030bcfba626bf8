"""The napari side: docks, the job runner, layers in and out."""
