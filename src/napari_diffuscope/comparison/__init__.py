"""Images beside each other: where they lie, numbers, curves and a report."""
