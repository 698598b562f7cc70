import json
import sys

from inventory import Inventory


def main(arguments):
    try:
        (file,) = arguments
    except ValueError:
        import textwrap

        print(textwrap.dedent("usage: report FILE"))
        return 2
    print(json.dumps(Inventory(file).stock))
    return 0


sys.exit(main(sys.argv[1:]))
