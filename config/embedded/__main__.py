import sys
from pathlib import Path

from config.embedded.errors import EmbeddedError
from config.embedded.keeper import keep

if __name__ == "__main__":
    try:
        keep(Path(sys.argv[1]), sys.argv[2])
    except EmbeddedError as error:
        sys.exit(str(error))
