"""Which actions of AWS' access management are asked for, and which of them are denied."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from moto.core.responses import BaseResponse

from lab.aws.settings import Settings


class Watched(BaseResponse):
    """A mixin of a service's responses. `settings` is given by a subclass for each server.

    A real account denies by policy, an action at a time: here an action is denied altogether. A dry
    run is judged like the action itself.
    """

    settings: ClassVar[Settings]

    def call_action(self) -> Any:
        action = f"{self.boto3_service_name}:{self._get_action()}"
        if self.settings.denies(action):
            return 403, *self._refused(f"You are not authorized to perform: {action}.")
        return super().call_action()

    def _refused(self, message: str) -> tuple[dict[str, Any], str]:
        """Headers and body, as the protocol has them."""
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException"}
        return headers, json.dumps({"Message": message})


class WatchedEc2(Watched):
    """EC2 says it in its own way."""

    def _refused(self, message: str) -> tuple[dict[str, Any], str]:
        error = f"<Error><Code>UnauthorizedOperation</Code><Message>{message}</Message></Error>"
        body = f"<Response><Errors>{error}</Errors><RequestID>lab</RequestID></Response>"
        return {"Content-Type": "text/xml"}, body
