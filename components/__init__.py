"""One folder a Kubeflow Pipelines component; each calls one stage of z1."""
