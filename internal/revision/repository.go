package revision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Repository is a Git repository with a working tree.
type Repository struct {
	root    string // of the working tree
	scratch string // for what must not go into the repository
}

// Revision is a state of the repository's files.
type Revision struct {
	// Label is the commit's ID, cut to twelve characters, or "the working tree".
	Label string
	tree  string
}

// Same reports whether two revisions hold the same files.
func (r Revision) Same(other Revision) bool { return r.tree == other.tree }

// WorkingTree is the label of what is checked out, changes that are not
// committed and new files included; what Git ignores is not part of it.
const WorkingTree = "the working tree"

// Open finds the repository that dir is in. scratch is an existing directory of
// the caller's, private and empty.
func Open(ctx context.Context, dir, scratch string) (*Repository, error) {
	r := &Repository{root: dir, scratch: scratch}
	root, err := r.git(ctx, nil, "rev-parse", "--show-toplevel")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("no git command: install Git")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is in no Git repository: %w", dir, err)
	}
	r.root = root
	return r, nil
}

// Root is the directory of the working tree.
func (r *Repository) Root() string { return r.root }

// Range resolves what a user writes:
//
//	a..b    from a to b
//	a...b   from the merge base of a and b to b, as a pull request shows it
//	a       from a to the working tree
//	(empty) from the merge base of HEAD and the default branch to the working tree
func (r *Repository) Range(ctx context.Context, spec string) (base, head Revision, err error) {
	from, to, three := strings.Cut(spec, "...")
	two := false
	if !three {
		from, to, two = strings.Cut(spec, "..")
	}
	if (two || three) && (from == "" || to == "") {
		return base, head, fmt.Errorf("%q: write BASE..HEAD, BASE...HEAD, or BASE alone for the working tree", spec)
	}
	switch {
	case spec == "":
		branch, err := r.defaultBranch(ctx)
		if err != nil {
			return base, head, err
		}
		if from, err = r.mergeBase(ctx, branch, "HEAD"); err != nil {
			return base, head, err
		}
	case three:
		if from, err = r.mergeBase(ctx, from, to); err != nil {
			return base, head, err
		}
	}
	if base, err = r.commit(ctx, from); err != nil {
		return base, head, err
	}
	if to == "" {
		head, err = r.workingTree(ctx)
	} else {
		head, err = r.commit(ctx, to)
	}
	return base, head, err
}

func (r *Repository) commit(ctx context.Context, name string) (Revision, error) {
	if strings.HasPrefix(name, "-") {
		return Revision{}, fmt.Errorf("%q is no revision", name)
	}
	id, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", name+"^{commit}")
	if err != nil {
		return Revision{}, fmt.Errorf("%q is no revision here; see: git log --oneline (in a shallow clone: git fetch --unshallow)", name)
	}
	tree, err := r.git(ctx, nil, "rev-parse", "--verify", id+"^{tree}")
	if err != nil {
		return Revision{}, err
	}
	return Revision{Label: id[:min(12, len(id))], tree: tree}, nil
}

func (r *Repository) mergeBase(ctx context.Context, a, b string) (string, error) {
	for _, name := range []string{a, b} {
		if _, err := r.commit(ctx, name); err != nil {
			return "", err
		}
	}
	id, err := r.git(ctx, nil, "merge-base", a, b)
	if err != nil {
		return "", fmt.Errorf("%s and %s have no common ancestor here (in a shallow clone: git fetch --unshallow)", a, b)
	}
	return id, nil
}

// defaultBranch is the remote's default branch, else main or master.
func (r *Repository) defaultBranch(ctx context.Context) (string, error) {
	if name, err := r.git(ctx, nil, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"); err == nil {
		return name, nil
	}
	for _, name := range []string{"refs/remotes/origin/main", "refs/remotes/origin/master", "refs/heads/main", "refs/heads/master"} {
		if _, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", name); err == nil {
			return name, nil
		}
	}
	return "", errors.New("the default branch is not known; name the base: meshwright diff BASE")
}

// workingTree writes the files as they are into objects of its own and returns
// their tree.
func (r *Repository) workingTree(ctx context.Context) (Revision, error) {
	env, err := r.ownObjects(ctx)
	if err != nil {
		return Revision{}, err
	}
	index, err := r.gitPath(ctx, "index")
	if err != nil {
		return Revision{}, err
	}
	// The index remembers which files are unchanged: a copy of it spares reading
	// them all.
	own := filepath.Join(r.scratch, "index")
	if data, err := os.ReadFile(index); err == nil {
		if err := os.WriteFile(own, data, 0o600); err != nil {
			return Revision{}, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Revision{}, err
	}
	env = append(env, "GIT_INDEX_FILE="+own)
	tree := ""
	if _, err = r.git(ctx, env, "add", "--all", "--", ":/"); err == nil {
		tree, err = r.git(ctx, env, "write-tree")
	}
	if err != nil {
		return Revision{}, fmt.Errorf("read the working tree: %w", err)
	}
	return Revision{Label: WorkingTree, tree: tree}, nil
}

// ownObjects has git write objects into scratch and read those of the repository too.
func (r *Repository) ownObjects(ctx context.Context) ([]string, error) {
	objects, err := r.gitPath(ctx, "objects")
	own := filepath.Join(r.scratch, "objects")
	return []string{"GIT_OBJECT_DIRECTORY=" + own, "GIT_ALTERNATE_OBJECT_DIRECTORIES=" + objects}, errors.Join(err, os.MkdirAll(own, 0o700))
}

// Checkout lays the revision's files out in dir, which is made, with those of its
// submodules, at the commits that the revision names. It fetches nothing: a submodule
// whose commit is not on this machine stays empty, and its path is returned.
func (r *Repository) Checkout(ctx context.Context, rev Revision, dir string) (missing []string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	env := []string{"GIT_INDEX_FILE=" + dir + ".index"}
	if rev.Label == WorkingTree {
		objects, err := r.ownObjects(ctx)
		if err != nil {
			return nil, err
		}
		env = append(env, objects...)
	}
	defer os.Remove(dir + ".index")
	for _, args := range [][]string{
		{"read-tree", rev.tree}, {"checkout-index", "--all", "--force", "--quiet", "--prefix=" + dir + string(filepath.Separator)},
	} {
		if _, err := r.git(ctx, env, args...); err != nil {
			return nil, fmt.Errorf("check %s out: %w", rev.Label, err)
		}
	}
	modules, err := r.submodules(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("submodules of %s: %w", rev.Label, err)
	}
	for path, commit := range modules {
		sub := &Repository{root: filepath.Join(r.root, path), scratch: r.scratch}
		at, err := sub.commit(ctx, commit)
		if _, none := os.Stat(filepath.Join(sub.root, ".git")); none != nil || err != nil {
			missing = append(missing, path)
			continue
		}
		inner, err := sub.Checkout(ctx, at, filepath.Join(dir, path))
		if err != nil {
			return nil, fmt.Errorf("submodule %s: %w", path, err)
		}
		for _, m := range inner {
			missing = append(missing, filepath.Join(path, m))
		}
	}
	slices.Sort(missing)
	return missing, ctx.Err()
}

// submodules are the commits of an index's submodules, by path.
func (r *Repository) submodules(ctx context.Context, env []string) (map[string]string, error) {
	out, err := r.git(ctx, env, "ls-files", "--stage", "-z")
	if err != nil {
		return nil, err
	}
	modules := map[string]string{}
	for entry := range strings.SplitSeq(out, "\x00") {
		what, path, _ := strings.Cut(entry, "\t")
		if fields := strings.Fields(what); len(fields) == 3 && fields[0] == "160000" {
			modules[path] = fields[1]
		}
	}
	return modules, nil
}

func (r *Repository) gitPath(ctx context.Context, name string) (string, error) {
	path, err := r.git(ctx, nil, "rev-parse", "--git-path", name)
	if err != nil || filepath.IsAbs(path) {
		return path, err
	}
	return filepath.Join(r.root, path), nil
}

// git runs one command in the repository and returns what it prints, trimmed.
func (r *Repository) git(ctx context.Context, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.root
	// Git sets variables of its own for hooks, which name the user's index.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"}, name)
	})
	cmd.Env = append(append(cmd.Env, "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0"), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if text := strings.TrimSpace(stderr.String()); text != "" {
			return "", fmt.Errorf("git %s: %s", args[0], text)
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(stdout.String()), nil
}
