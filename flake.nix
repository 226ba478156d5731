# Two shells and a check.
#
#   nix develop          CPU: Python, uv, make and git; then `make train`, which installs the hash-locked
#                        requirements.lock into .venv exactly as it does without nix
#   nix develop .#cuda   the same, and jax[cuda12] for NVIDIA GPUs (Linux)
#   nix flake check      runs the tests
#
# A build of nix has no network, so the check cannot install requirements.lock: it runs the tests
# against nixpkgs' versions of our dependencies. jax and gymnax must keep the bounds of pyproject.toml,
# or the build refuses; the rest may differ. What `make test` proves of the lock, this proves of nixpkgs.
#
# There is no flake.lock yet: the first nix command writes one. scripts/check-flake evaluates everything
# here against stand-ins for the two inputs, without a network.
{
  description = "Reinforcement learning in which world, policy and learning are one compiled JAX program";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    flake-utils.url = "github:numtide/flake-utils";
  };

  outputs = { self, nixpkgs, flake-utils }:
    flake-utils.lib.eachSystem [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ] (system:
      let
        pkgs = nixpkgs.legacyPackages.${system};
        inherit (pkgs) lib stdenv;
        python = pkgs.python313;

        # pyproject.toml is the one list of dependencies; nixpkgs calls its packages as PyPI does.
        inherit (builtins.fromTOML (builtins.readFile ./pyproject.toml)) project;
        nameOf = requirement: builtins.head (builtins.match "([A-Za-z0-9_-]+).*" requirement);
        dependencies = map nameOf project.dependencies;

        # nixpkgs has none of it. The same wheel, with the same hash, as in requirements.lock.
        wheel = { name, version, sha256, dependencies }: python.pkgs.buildPythonPackage {
          pname = name;
          inherit version dependencies;
          format = "wheel";
          src = python.pkgs.fetchPypi {
            pname = builtins.replaceStrings [ "-" ] [ "_" ] name;
            inherit version sha256;
            format = "wheel";
            dist = "py3";
            python = "py3";
          };
        };
        wheels = {
          gymnax = wheel {
            name = "gymnax";
            version = "1.0.1";
            sha256 = "b7adcda33f41f6b8b27ac589be378a154a9209e736147977f6c0aebe5f35e796";
            dependencies = with python.pkgs; [ jax flax gymnasium matplotlib seaborn six ];
          };
          mlflow-skinny = python.pkgs.mlflow;  # which nixpkgs does not split
        };

        elsinore = python.pkgs.buildPythonPackage {
          pname = project.name;
          inherit (project) version;
          pyproject = true;
          src = self;
          build-system = [ python.pkgs.hatchling ];
          dependencies = map (name: (python.pkgs // wheels).${name}) dependencies;
          pythonRelaxDeps = lib.subtractLists [ "jax" "gymnax" ] dependencies;
          nativeCheckInputs = with python.pkgs; [ pytestCheckHook pytest-timeout beartype hypothesis optuna pettingzoo starlette tensorboard uvicorn wandb websockets zstandard ];
          preCheck = ''
            export HOME=$TMPDIR MPLBACKEND=Agg
            python -c 'import jax, flax, gymnax, mlflow; print("tests run with jax", jax.__version__, "flax", flax.__version__)'
          '';
        };

        shell = { extra ? [ ], hook ? "" }: pkgs.mkShell {
          packages = [ python pkgs.uv pkgs.gnumake pkgs.git pkgs.ruff pkgs.basedpyright ] ++ extra;
          shellHook = ''
            export PYTHON=${python}/bin/python3 UV_PYTHON_DOWNLOADS=never
          '' + lib.optionalString stdenv.isLinux ''
            # Wheels look for the C++ runtime and zlib where an ordinary distribution has them.
            export LD_LIBRARY_PATH=${lib.makeLibraryPath [ stdenv.cc.cc.lib pkgs.zlib ]}''${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
            # NixOS does not run the programs inside the wheels of ruff and basedpyright: use nixpkgs'.
            if [ -e /etc/NIXOS ]; then export RUFF=ruff BASEDPYRIGHT=basedpyright; fi
          '' + hook + ''
            echo "elsinore: begin with 'make train'; 'make help' lists the rest."
          '';
        };

        unfree = import nixpkgs { inherit system; config.allowUnfree = true; };
        cudaShell = shell {
          extra = [ unfree.cudaPackages_12.cuda_nvcc ];  # ptxas and nvlink, which XLA may call
          # cuDNN, cuBLAS and NCCL come with jax[cuda12], in the versions it was built for: another set on
          # LD_LIBRARY_PATH would win over them. Only the driver must be found: NixOS has it in one folder,
          # elsewhere its few libraries are linked into one, because the rest of /usr/lib must stay out.
          hook = ''
            driver=/run/opengl-driver/lib
            if [ ! -e "$driver/libcuda.so.1" ]; then
              driver=$PWD/.cache/nvidia-driver
              mkdir -p "$driver"
              for name in libcuda.so.1 libnvidia-ml.so.1 libnvidia-ptxjitcompiler.so.1 libnvidia-nvvm.so.4; do
                path=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -C /etc/ld.so.cache -p 2>/dev/null \
                  | awk -v name="$name" '$1 == name && /x86-64|AArch64/ { print $NF; exit }')
                if [ -n "$path" ]; then ln -sf "$path" "$driver/$name"; fi
              done
            fi
            if [ ! -e "$driver/libcuda.so.1" ]; then echo "No NVIDIA driver was found: jax will run on the CPU."; fi
            export LD_LIBRARY_PATH=$driver:$LD_LIBRARY_PATH
            # Outside the lock, but at the lock's version of jax. Rebuilding .venv removes the mark, too.
            if [ -f Makefile ] && make .venv && [ ! -e .venv/.cuda ]; then
              jax=$(.venv/bin/python -c 'import importlib.metadata as m; print(m.version("jax"))')
              uv pip install --python .venv/bin/python "jax[cuda12]==$jax" && touch .venv/.cuda
            fi
          '';
        };
      in
      {
        packages.default = elsinore;
        checks.tests = elsinore;  # pytest is the last step of its build
        devShells = { default = shell { }; } // lib.optionalAttrs stdenv.isLinux { cuda = cudaShell; };
      });
}
