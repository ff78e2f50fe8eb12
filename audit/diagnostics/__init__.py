"""What the weights hold of the members, measured without an attack; models that are made to leak; the DP bound."""
