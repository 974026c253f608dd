"""One small entry of every kind, as somebody outside the package would write it; `plugin` registers them."""
