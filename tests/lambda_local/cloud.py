"""DynamoDB, S3 and the event bus: `sundial dev --storage-only`, and the environment that leads the functions there."""

import json
import os

from .checks import wait_for


class Cloud:
    """Started, and ready."""

    def __init__(self, processes, sundial, folder):
        self.folder = folder / "data"
        command = [sundial, "dev", "--storage-only", "--port", "0", "--data-dir", self.folder]
        processes.start("sundial-dev", command, os.environ)
        description = self.folder / "dev.json"

        def is_ready():
            processes.check_runs("sundial-dev")
            return description.exists()

        wait_for("dev.json", is_ready)
        self.description = json.loads(description.read_text())
        self.workspace = f"/v1/workspaces/{self.description['workspaceId']}"
        # Written when the first event comes.
        self.events_path = self.folder / "events.jsonl"

    def references(self):
        """What the resources of `template.yaml` are called here."""
        names = {"Table": "tableName", "Bus": "busName", "ResultsBucket": "resultsBucket"}
        return {resource: self.description[name] for resource, name in names.items()}

    def environment(self, lambda_url):
        """How the SDK finds what is here, and signs its calls. The function has nothing else of this environment."""
        return {
            "AWS_REGION": self.description["region"],
            "AWS_ACCESS_KEY_ID": self.description["accessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.description["secretAccessKey"],
            "AWS_ENDPOINT_URL_DYNAMODB": self.description["dynamodbUrl"],
            "AWS_ENDPOINT_URL_EVENTBRIDGE": self.description["eventsUrl"],
            "AWS_ENDPOINT_URL_LAMBDA": lambda_url,
            "AWS_ENDPOINT_URL_S3": self.description["s3Url"],
        }
