# syntax=docker/dockerfile:1
# One image for each binary, for those who build with a container engine; `make images` builds the same without one:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg BINARY=headroom-scheduler \
#     --tag ghcr.io/headroom-dev/headroom-scheduler:v0.1.0 .

# The compiler runs on the builder's own architecture and builds for the other: nothing is emulated.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
# headroom-controller or headroom-scheduler
ARG BINARY=headroom-controller
# By default the version of the git commit.
ARG VERSION=
ARG TARGETOS=linux
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    git config --global --add safe.directory /src && \
    ldflags="$(VERSION=${VERSION} hack/version.sh ldflags ${BINARY})" && \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
      go build -trimpath -ldflags "-s -w ${ldflags}" -o /out/headroom "./cmd/${BINARY#headroom-}"

# Nothing but the program: it links no library, and trusts the API server by the certificate in its service account.
FROM scratch
ARG BINARY=headroom-controller
ARG VERSION=
LABEL org.opencontainers.image.title="${BINARY}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="https://github.com/headroom-dev/headroom" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/headroom /headroom
# A number, so that runAsNonRoot can be checked without /etc/passwd: "nonroot" of distroless images.
USER 65532:65532
ENTRYPOINT ["/headroom"]
