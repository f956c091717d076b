"""`python -m hfal` is the command `hfal`, for those who start it so: `torchrun -m hfal run ...`."""

import sys

from hfal.cli.main import main


sys.exit(main())
