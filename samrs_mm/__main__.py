"""`python -m samrs_mm`: the same as `samrs-mm`."""

import sys

from samrs_mm.command import main

if __name__ == '__main__':
    sys.exit(main())
