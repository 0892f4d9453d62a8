"""What `Network.fit`, `train_on_batch` and `evaluate` do: epochs, validation, callbacks, progress."""
