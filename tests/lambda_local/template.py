"""What `template.yaml` gives to each function: its environment, its memory and its timeout."""

import json
import subprocess

from .checks import CheckFailed
from .tools import REPOSITORY

# In the Python of the SAM command line, which knows how to read the template; this one has nothing for YAML.
READ = """
import json, sys
from samcli.yamlhelper import yaml_parse
print(json.dumps(yaml_parse(open(sys.argv[1]).read())))
"""


class Template:
    """The template, with what it refers to put in."""

    def __init__(self, tools, references):
        """`references` says what resources are called here."""
        command = [tools.sam_python, "-c", READ, REPOSITORY / "template.yaml"]
        read = subprocess.run(command, capture_output=True, text=True)
        if read.returncode != 0:
            raise CheckFailed(f"template.yaml cannot be read: {read.stderr}")
        self.document = json.loads(read.stdout)
        parameters = self.document["Parameters"].items()
        self.references = {name: it["Default"] for name, it in parameters if "Default" in it} | references
        resources = self.document["Resources"].values()
        functions = [it for it in resources if it["Type"] == "AWS::Serverless::Function"]
        self.functions = {it["Metadata"]["BuildProperties"]["Binary"]: it["Properties"] for it in functions}

    def environment(self, name):
        """The environment of a function: what the template says, and what Lambda itself sets."""
        properties = self.functions[name]
        variables = dict(self.document["Globals"]["Function"]["Environment"]["Variables"])
        variables |= properties.get("Environment", {}).get("Variables", {})
        return {variable: self.value(value) for variable, value in variables.items()} | {
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(properties["MemorySize"]),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(properties["Timeout"]),
        }

    def value(self, value):
        if isinstance(value, dict):
            if list(value) != ["Ref"] or value["Ref"] not in self.references:
                raise CheckFailed(f"template.yaml: what {json.dumps(value)} is here is not known")
            value = self.references[value["Ref"]]
        return str(value)
