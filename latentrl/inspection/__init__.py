"""What recordings are like, told without labels: motion, noise, sizes of a state, actions; and a page that shows it."""
