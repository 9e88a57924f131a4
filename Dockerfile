# The API and the studio in a container:
#   docker build -t motiongpt3 .
#   docker run -p 8000:8000 -v motions:/var/lib/motiongpt3 -v ./keys:/run/keys:ro motiongpt3
FROM python:3.11-slim-bookworm

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE MODEL_CARD.md ./
COPY motiongpt3 motiongpt3
# The CPU build of torch: the other one brings gigabytes of CUDA.
RUN pip install --no-cache-dir --constraint constraints.txt \
        --extra-index-url https://download.pytorch.org/whl/cpu torch \
    && pip install --no-cache-dir --constraint constraints.txt ".[web]" \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/motiongpt3 motiongpt3

USER 10001
VOLUME /var/lib/motiongpt3
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=12)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["motiongpt3", "serve", "--host", "0.0.0.0", "--store", "/var/lib/motiongpt3"]
CMD ["--keys", "/run/keys"]
