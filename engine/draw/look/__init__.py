"""The look of pictures: colours, shapes and texts."""
