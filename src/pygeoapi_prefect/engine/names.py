"""The names under which our things are found in Prefect."""

# The flow behind every vanilla process; each process is a deployment of it.
FLOW_NAME = "pygeoapi-process"
FLOW_ENTRYPOINT = "pygeoapi_prefect.engine.flow.run_job"
WORKER_TYPE = "pygeoapi"
# Prefect's own, in every work pool.
DEFAULT_QUEUE = "default"

# On every flow run that is a job, and on the deployments from which they inherit it.
JOB_TAG = "pygeoapi-job"
# On every job of which a subscriber is still to hear something.
CALLBACK_TAG = "pygeoapi-callback"
# On every deployment that we made.
DEPLOYMENT_TAG = "pygeoapi-process"

# What we keep on the run; labels survive everything that happens to it.
PROCESS_LABEL = "pygeoapi.process"
INPUTS_LABEL = "pygeoapi.inputs"
ERROR_TYPE_LABEL = "pygeoapi.error_type"
# Followed by in_progress, success or failed: how far its delivery is.
CALLBACK_LABEL = "pygeoapi.callback."
