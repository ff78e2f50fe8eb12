"""`python -m audit.cli`, for those who cannot install scripts."""

from audit.cli import main

main()
