"""Support: errors, files, options, interrupts, steps and threads; no science."""
