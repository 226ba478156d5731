# elsinore with the packages of requirements.lock, by their hashes. Not built by the tests, which have no Docker.
#
#   docker build -t elsinore .                             CPU
#   docker build -t elsinore --build-arg CUDA=12 .         CUDA 12 (or 13); run it with --gpus all
#   docker run --rm -v "$PWD/runs:/home/trainer/runs" elsinore elsinore train CartPole-v1 --seeds 4
FROM python:3.13-slim
ARG CUDA=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 MLFLOW_DISABLE_TELEMETRY=true
WORKDIR /app
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock
# jax's CUDA packages are not in the lock; their jax is the locked one
RUN if [ -n "$CUDA" ]; then pip install "jax[cuda${CUDA}]==$(python -c 'import jax; print(jax.__version__)')"; fi
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY configs ./configs
RUN pip install --no-deps . && useradd --create-home trainer && install -d -o trainer /home/trainer/runs
USER trainer
WORKDIR /home/trainer
CMD ["elsinore", "--help"]
