"""One network on several processes: steps on this machine, and a model of more of them."""
