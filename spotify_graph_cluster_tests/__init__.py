"""The platform on a cluster, with the configuration of docker/. `make test-cluster` runs these tests."""
