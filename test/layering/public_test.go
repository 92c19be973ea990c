package layering

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPublicNames: an importer of a public package can name every type that its
// exported functions and fields are made of.
func TestPublicNames(t *testing.T) {
	files := 0
	for _, root := range []string{"components", "stacks", "automation"} {
		err := filepath.WalkDir(filepath.Join("../..", root), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "internal" {
				return filepath.SkipDir
			}
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			source, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, name := range unnameable(source) {
				t.Errorf("%s: %s is an exported name's type, and internal", path, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 50 {
		t.Fatalf("only %d files found", files)
	}
}

// TestUnnameable: what counts is what a caller meets.
func TestUnnameable(t *testing.T) {
	for declaration, want := range map[string]bool{
		"type T struct { F *secret.X }":                 true,
		"type T struct { F map[string][]secret.X }":     true,
		"type T struct { secret.X }":                    true,
		"type T interface { M() secret.X }":             true,
		"func F(x secret.X) {}":                         true,
		"type T struct{}; func (*T) M() secret.X":       true,
		"var V secret.X":                                true,
		"type T = secret.X":                             false, // gives it a public name
		"type T struct { f secret.X }":                  false,
		"type T interface { m() secret.X }":             false,
		"type t struct { F secret.X }":                  false,
		"type t struct{}; func (t) M() secret.X":        false,
		"func f(secret.X) {}":                           false,
		"func F() { var _ secret.X }":                   false,
		"type T struct { F below.X }":                   true,
		"type T struct { F open.X }":                    false,
		"type T struct { F func(open.Y) (other.Z, T) }": false,
	} {
		source, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
			import "`+module+`/internal/secret"
			import "`+module+`/components/internal/below"
			import "`+module+`/components/open"
			`+declaration, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := unnameable(source); (len(got) > 0) != want {
			t.Errorf("%s: %v", declaration, got)
		}
	}
}

// unnameable lists the internal types in what a file exports.
func unnameable(file *ast.File) []string {
	internal := map[string]bool{}
	for _, i := range file.Imports {
		path, _ := strconv.Unquote(i.Path.Value) // it was parsed
		if strings.HasPrefix(path, module+"/") && strings.Contains(path+"/", "/internal/") {
			internal[filepath.Base(path)] = true
		}
	}
	var found []string
	var look func(ast.Node)
	look = func(node ast.Node) {
		ast.Inspect(node, func(n ast.Node) bool {
			members := &ast.FieldList{}
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if p, ok := n.X.(*ast.Ident); ok && internal[p.Name] {
					found = append(found, p.Name+"."+n.Sel.Name)
				}
			case *ast.StructType:
				members = n.Fields
			case *ast.InterfaceType:
				members = n.Methods
			default:
				return true
			}
			for _, f := range members.List {
				if len(f.Names) == 0 || slices.ContainsFunc(f.Names, (*ast.Ident).IsExported) {
					look(f.Type)
				}
			}
			return false
		})
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d.Recv.List[0].Type)) {
				look(d.Type)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && !s.Assign.IsValid() {
						look(s.Type)
					}
				case *ast.ValueSpec:
					if s.Type != nil && slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) {
						look(s.Type)
					}
				}
			}
		}
	}
	return found
}

func exportedReceiver(t ast.Expr) bool {
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	name, ok := t.(*ast.Ident)
	return !ok || name.IsExported()
}
