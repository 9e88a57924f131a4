"""From motions to pictures: frames, videos and pose sequences, drawn with numpy and Pillow."""
