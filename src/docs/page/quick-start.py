import json
import os
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

url = "http://127.0.0.1:8080"
token = os.environ["FOLDFORGE_TOKEN"]


def call(path, body=None, **headers):
    headers |= {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        return urlopen(Request(url + path, body, headers))
    except HTTPError as error:
        sys.exit(error.read().decode())


# Submit: three backbones, five sequences for each, and a structure for every sequence.
steps = [
    {"id": "design", "tool": "rfdiffusion", "params": {"contigs": "100-100", "num_designs": 3}},
    {"id": "seqs", "tool": "proteinmpnn", "depends_on": ["design"], "params": {"num_sequences": 5}},
    {"id": "fold", "tool": "af2", "depends_on": ["seqs"]},
]
spec = {"name": "design-then-fold", "steps": steps}
workflow = json.load(call("/v1/workflows", json.dumps(spec).encode()))

# Wait: each request returns when the workflow has ended, or after 60 seconds.
while workflow["state"] not in ("SUCCEEDED", "FAILED", "CANCELLED"):
    workflow = json.load(call("/v1/workflows/" + workflow["id"], Prefer="wait=60"))
    print(workflow["state"])

# Download the structures of the last step.
for output in workflow["step_statuses"][-1]["outputs"]:
    with open(output["name"], "wb") as file:
        file.write(call(output["href"]).read())
    print(output["name"], output["metrics"])
