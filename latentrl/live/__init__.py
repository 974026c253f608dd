"""What is seen of long work while it runs: bars, or a panel with curves on a terminal."""
