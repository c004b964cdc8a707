"""The server's addresses: the applications, what is served, rembg's API, and the page."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.resources
import importlib.util
from concurrent.futures import Future
from typing import IO, Annotated, Any

from fastapi import FastAPI, File, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from ..errors import MaskportError
from . import applications as apply
from .applications import Answer, Kind, Make, Times, answered
from .guard import Guard, Limits
from .offers import Offer, Offers
from .pool import Pool
from .problems import RESPONSES, log, problem, problem_of, said_of
from .rembg import RemoveOptions, removed

__all__ = ["Artifacts", "make_app"]

_PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
}
# Of a client that went away: nobody reads it.
_GONE = 499

Photo = Annotated[UploadFile, File(description="The photo.")]


class ArtifactInfo(BaseModel):
    """Something that draws masks; `name` is what requests call it."""

    name: str
    network: str
    kind: str
    bytes: int
    labels: tuple[str, ...]


class Artifacts(BaseModel):
    """What is served, the one that is taken by itself first; and what is taken at most."""

    artifacts: list[ArtifactInfo]
    max_upload_bytes: int
    max_pixels: int
    alpha_matting: bool


class Health(BaseModel):
    """How busy the server is."""

    requests: int
    max_requests: int


def make_app(
    offers: Offers, pool: Pool, limits: Limits, hosts: frozenset[str] | None = None
) -> FastAPI:
    """The server as an ASGI application, which `serving.server` runs.

    Args:
        offers: What is served.
        pool: What runs it; the caller closes it.
        limits: What is taken.
        hosts: Names that the server may be called by (`guard.LOOPBACK`); any where None.
    """
    api = FastAPI(
        title="maskport",
        version=importlib.metadata.version("maskport"),
        description="What people do with a mask, by the artifacts that are served here.",
        docs_url=None,  # its page asks another host for scripts
        redoc_url=None,
    )
    service = _Service(offers, pool, limits)
    for name in ("cutout", "background", "highlight", "boxes", "crop", "mask"):
        api.add_api_route(
            f"/{name}",
            getattr(service, name),
            methods=["POST"],
            responses=_responses(boxes=name == "boxes"),
            response_class=Response,
            tags=["applications"],
        )
    api.add_api_route("/artifacts", service.artifacts, response_model=Artifacts, tags=["server"])
    api.add_api_route("/health", service.health, response_model=Health, tags=["server"])
    api.add_api_route(
        "/api/remove",
        service.remove,
        methods=["POST"],
        responses=_responses(),
        response_class=Response,
        tags=["rembg"],
    )
    api.add_api_route(
        "/api/remove", _no_addresses, methods=["GET"], status_code=400, tags=["rembg"]
    )
    for path, (file, media_type) in _PAGE.items():
        api.add_api_route(path, _file(file, media_type), include_in_schema=False)
    api.add_exception_handler(HTTPException, _http_problem)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(MaskportError, lambda _, exc: problem_of(exc))
    api.add_exception_handler(Exception, _broke)
    api.add_middleware(_Guarded, service=service, limits=limits, hosts=hosts)
    return api


class _Guarded(Guard):
    """The guard, which tells `/health` how many it has let in."""

    def __init__(
        self, app: Any, service: _Service, limits: Limits, hosts: frozenset[str] | None
    ) -> None:
        super().__init__(app, limits, hosts)
        service.guard = self


class _Service:
    """What the addresses do."""

    guard: Guard

    def __init__(self, offers: Offers, pool: Pool, limits: Limits) -> None:
        self._offers = offers
        self._pool = pool
        self._limits = limits

    async def artifacts(self) -> Artifacts:
        """What is served."""
        rows = [
            ArtifactInfo(
                name=offer.name,
                network=offer.network,
                kind=offer.kind,
                bytes=offer.bytes,
                labels=offer.labels,
            )
            for offer in self._offers.rows
        ]
        return Artifacts(
            artifacts=rows,
            max_upload_bytes=self._limits.upload,
            max_pixels=self._limits.pixels,
            alpha_matting=importlib.util.find_spec("pymatting") is not None,
        )

    async def health(self) -> Health:
        """How busy the server is."""
        return Health(requests=self.guard.inside, max_requests=self._limits.waiting)

    async def cutout(
        self, request: Request, file: Photo, options: Annotated[apply.CutoutOptions, Query()]
    ) -> Response:
        """The object on nothing."""
        return await self._answer(request, file, options, apply.cutout(options))

    async def background(
        self,
        request: Request,
        file: Photo,
        options: Annotated[apply.BackgroundOptions, Query()],
        picture: Annotated[
            UploadFile | None, File(description="A picture, scaled to fill the photo.")
        ] = None,
    ) -> Response:
        """The object before a color, a picture, or the photo itself out of focus."""
        behind = None if picture is None else picture.file
        make = apply.background(options, behind, self._limits.pixels)
        return await self._answer(request, file, options, make)

    async def highlight(
        self, request: Request, file: Photo, options: Annotated[apply.HighlightOptions, Query()]
    ) -> Response:
        """The rest grey and dark, or a heat map."""
        return await self._answer(request, file, options, apply.highlight(options))

    async def boxes(
        self, request: Request, file: Photo, options: Annotated[apply.BoxesOptions, Query()]
    ) -> Response:
        """Boxes around objects: as numbers, or drawn."""
        return await self._answer(request, file, options, apply.boxes(options))

    async def crop(
        self, request: Request, file: Photo, options: Annotated[apply.CropOptions, Query()]
    ) -> Response:
        """The photo cut down to its objects."""
        return await self._answer(request, file, options, apply.crop(options))

    async def mask(
        self, request: Request, file: Photo, options: Annotated[apply.MaskOptions, Query()]
    ) -> Response:
        """The mask, in 256 greys, at the photo's size."""
        return await self._answer(request, file, options, apply.mask(options))

    async def remove(
        self, request: Request, file: Photo, options: Annotated[RemoveOptions, Query()]
    ) -> Response:
        """As rembg's server has it. Parameters may also be fields of the form."""
        fields = {
            name: value
            for name, value in (await request.form()).items()
            if isinstance(value, str) and value != ""
        }
        try:
            options = RemoveOptions.model_validate(
                {**options.model_dump(exclude_unset=True), **fields}
            )
        except ValidationError as exc:
            return problem(422, said_of(exc))
        offer = self._offers.find_model(options.model)
        return await self._drawn(request, file.file, offer, removed(options), "png")

    async def _answer(
        self, request: Request, file: UploadFile, options: Any, make: Make
    ) -> Response:
        offer = self._offers.find(options.artifact)
        return await self._drawn(request, file.file, offer, make, options.format)

    async def _drawn(
        self, request: Request, photo: IO[bytes], offer: Offer, make: Make, kind: Kind
    ) -> Response:
        """Have it done by the pool. Where the client goes away before, it is not begun."""
        times = Times()
        work = answered(photo, make, kind, self._limits.pixels, times)
        job: Future[Answer] = self._pool.submit(offer, work)
        done = asyncio.wrap_future(job)
        gone = asyncio.create_task(_gone(request))
        either: set[asyncio.Future[Any]] = {done, gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                if not job.cancel():
                    await asyncio.wait({done})  # the form, and so the photo, is closed behind us
                return Response(status_code=_GONE)
            answer = done.result()
        except MaskportError as exc:
            return problem_of(exc, offer.name)
        finally:
            gone.cancel()
            job.cancel()
        headers = {"Server-Timing": times.header(), "Cache-Control": "no-store"}
        if answer.numbers is not None:
            return JSONResponse(answer.numbers, headers=headers)
        return Response(answer.body, media_type=answer.media_type, headers=headers)


async def _gone(request: Request) -> None:
    """Returns when the client has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _no_addresses(url: str = "") -> Response:
    """Refused: this server fetches nothing from elsewhere."""
    return problem(
        400,
        "This server fetches no addresses: it would ask machines that only it can reach.",
        "POST the photo itself, as the form's file.",
    )


def _file(name: str, media_type: str) -> Any:
    """One of the page's files, read once."""
    content = importlib.resources.files(__package__).joinpath("page", name).read_bytes()

    async def page() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return page


def _responses(*, boxes: bool = False) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: what comes out."""
    kinds = ("image/png", "image/webp", "image/jpeg", *(("application/json",) if boxes else ()))
    return {200: {"content": {kind: {} for kind in kinds}}, **RESPONSES}


async def _http_problem(_: Request, exc: Any) -> Response:
    if exc.status_code == 404:
        return problem(404, "There is nothing here.", "GET /openapi.json says what there is.")
    said = exc.detail if isinstance(exc.detail, str) else "The request can't be used."
    return problem(exc.status_code, said, headers=exc.headers)


async def _invalid(_: Request, exc: Any) -> Response:
    return problem(422, said_of(exc), "GET /openapi.json says what is taken.")


async def _broke(_: Request, exc: Exception) -> Response:
    log.error("%s: %s", type(exc).__name__, " ".join(str(exc).split()))
    return problem(500, "The server broke.", "Its log says why; please report it.")
