"""Keep, of botocore's table of endpoints, only the services whose models are there: `trim_endpoints.py DATA`.

DATA is the folder of botocore's data. The whole table has 300 services in a megabyte of JSON, which a new environment
reads before it can make a client.
"""

import gzip
import json
import sys
from pathlib import Path


def main(data: Path) -> None:
    """Write the table anew."""
    models = [json.loads(gzip.decompress(path.read_bytes())) for path in data.glob("*/*/service-2.json.gz")]
    kept = {model["metadata"]["endpointPrefix"] for model in models}
    table = json.loads((data / "endpoints.json").read_text(encoding="utf-8"))
    for partition in table["partitions"]:
        services = partition["services"]
        partition["services"] = {name: service for name, service in services.items() if name in kept}
    (data / "endpoints.json").write_text(json.dumps(table), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
