"""A response in JSON."""

import json
from typing import Any

from starlette.responses import JSONResponse


class JsonResponse(JSONResponse):
    """A response in JSON of plain ASCII: texts may have half of a surrogate pair, which is no UTF-8."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, separators=(",", ":")).encode()
