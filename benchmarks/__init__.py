"""What jobs cost here, with pygeoapi's own managers and with stock Prefect: `make bench`."""
