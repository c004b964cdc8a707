"""A store in a repository of the Hugging Face Hub, where every write is a commit."""

from __future__ import annotations

from .remote import Remote

__all__ = ["Hub"]

# Others may commit meanwhile; each time their commit is looked at.
_TRIES = 5


class Hub(Remote):
    """A commit is whole or not there, and the Hub holds large files against their SHA-256 itself;
    so files are written under their names at once, one commit each.
    """

    stages = False

    def create(self, key: str, content: bytes) -> bool:
        with self._told("written"):
            place = self._fs.resolve_path(self._path(key))
            if not hasattr(place, "repo_id"):  # a bucket of the Hub's, which has no commits
                return super().create(key, content)
            from huggingface_hub import CommitOperationAdd, HfApi
            from huggingface_hub.errors import HfHubHTTPError

            api = HfApi(endpoint=self._fs.endpoint, token=self._fs.token)
            where = {"repo_type": place.repo_type}
            tries = 0
            while True:
                tries += 1
                head = api.repo_info(place.repo_id, revision=place.revision, **where).sha
                if api.file_exists(place.repo_id, place.path_in_repo, revision=head, **where):
                    return False
                try:
                    api.create_commit(
                        place.repo_id,
                        [CommitOperationAdd(place.path_in_repo, content)],
                        commit_message=f"Publish {key}",
                        revision=place.revision,
                        parent_commit=head,
                        **where,
                    )
                except HfHubHTTPError as exc:
                    if tries == _TRIES or exc.response.status_code not in {409, 412}:
                        raise
                else:
                    return True
