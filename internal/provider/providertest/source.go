package providertest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Source is the Go source of a package, mostly of a Pulumi SDK: what its structs
// and constructors say of properties. It is read and not imported, since some
// packages take minutes to compile, and no reflection shows what a constructor
// marks secret, replaces by or takes from the environment.
type Source struct {
	// Version is the module's, such as "v4.30.0"; "" for this module.
	Version string

	t     testing.TB
	files []*sourceFile
}

// sourceFile is a parsed file, and what it declares by name; methods are named after
// their receiver's type: "KubeClientSettings.Defaults".
type sourceFile struct {
	*ast.File
	structs   map[string]*ast.StructType
	functions map[string]*ast.FuncDecl
}

// Field is a field of a struct with a pulumi tag.
type Field struct {
	Name     string // in Go
	Property string // in Pulumi
	Type     ast.Expr
	Doc      string
}

// Packages and files that were read before, since the largest take a second: func()
// (*sourceFile, error) by path, and what go list prints by import path.
var readFiles, listed sync.Map

// ReadSource parses files of the package at an import path, all but tests when
// none is named. It skips the test where the source is not at hand.
func ReadSource(t testing.TB, importPath string, files ...string) *Source {
	t.Helper()
	list, _ := listed.LoadOrStore(importPath, sync.OnceValues(func() ([]byte, error) {
		return exec.Command("go", "list", "-f", "{{.Dir}}\n{{with .Module}}{{.Version}}{{end}}\n{{join .GoFiles \" \"}}", importPath).Output()
	}))
	out, err := list.(func() ([]byte, error))()
	if err != nil {
		t.Skipf("the source of %s is not here: %v", importPath, err)
	}
	lines := strings.Split(string(out), "\n")
	s := &Source{Version: lines[1], t: t}
	if len(files) == 0 {
		files = strings.Fields(lines[2])
	}
	for _, name := range files {
		path := filepath.Join(lines[0], name)
		read, _ := readFiles.LoadOrStore(path, sync.OnceValues(func() (*sourceFile, error) { return readFile(path) }))
		file, err := read.(func() (*sourceFile, error))()
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, file)
	}
	return s
}

func readFile(path string) (*sourceFile, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	file := &sourceFile{parsed, map[string]*ast.StructType{}, map[string]*ast.FuncDecl{}}
	for _, decl := range parsed.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			file.functions[qualified(decl)] = decl
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if typ, ok := spec.(*ast.TypeSpec); ok {
					if found, ok := typ.Type.(*ast.StructType); ok {
						file.structs[typ.Name.Name] = found
					}
				}
			}
		}
	}
	return file, nil
}

// Fields returns the fields of a struct that are properties, in order.
func (s *Source) Fields(structName string) []Field {
	s.t.Helper()
	typ, _ := s.structType(structName)
	var fields []Field
	for _, f := range typ.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			s.t.Fatal(err)
		}
		if property := reflect.StructTag(tag).Get("pulumi"); property != "" {
			fields = append(fields, Field{f.Names[0].Name, property, f.Type, f.Doc.Text()})
		}
	}
	return fields
}

// Properties returns the properties of a struct, sorted.
func (s *Source) Properties(structName string) []string {
	s.t.Helper()
	var names []string
	for _, f := range s.Fields(structName) {
		names = append(names, f.Property)
	}
	slices.Sort(names)
	return names
}

// Inputs is the name of the struct that holds a resource type's inputs.
func Inputs(resource string) string {
	return strings.ToLower(resource[:1]) + resource[1:] + "Args"
}

// Decoded returns the properties that a provider reads into a struct: its json
// tags, those of embedded structs included, sorted.
func Decoded(typ reflect.Type) []string {
	var names []string
	for _, f := range reflect.VisibleFields(typ) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Option returns the strings that a resource type's constructor gives to an option
// such as AdditionalSecretOutputs or ReplaceOnChanges, sorted.
func (s *Source) Option(resource, option string) []string {
	s.t.Helper()
	var found []string
	ast.Inspect(s.function("New"+resource), func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && selects(call.Fun, option) {
			found = append(found, texts(call)...)
		}
		return true
	})
	slices.Sort(found)
	return found
}

var requiredArgument = regexp.MustCompile(`^invalid value for required argument '(\w+)'$`)

// Required returns the inputs without which a resource type's constructor fails,
// sorted.
func (s *Source) Required(resource string) []string {
	s.t.Helper()
	property := map[string]string{}
	for _, f := range s.Fields(Inputs(resource)) {
		property[f.Name] = f.Property
	}
	var found []string
	for _, text := range texts(s.function("New" + resource)) {
		if m := requiredArgument.FindStringSubmatch(text); m != nil {
			found = append(found, property[m[1]])
		}
	}
	slices.Sort(found)
	return found
}

// Environment returns the environment variables from which a function fills in the
// properties of a struct, by property.
func (s *Source) Environment(function, structName string) map[string]string {
	s.t.Helper()
	found := map[string]string{}
	for _, f := range s.Fields(structName) {
		ast.Inspect(s.function(function), func(n ast.Node) bool {
			branch, ok := n.(*ast.IfStmt)
			if !ok {
				return true
			}
			if cond, ok := branch.Cond.(*ast.BinaryExpr); ok && selects(cond.X, f.Name) {
				for _, text := range texts(branch.Body) {
					found[f.Property] = text
				}
			}
			return true
		})
	}
	return found
}

// Enum returns the values of a type of texts, such as command's Logging, sorted.
func (s *Source) Enum(typ string) []string {
	var found []string
	for _, file := range s.files {
		ast.Inspect(file.File, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if name, ok := call.Fun.(*ast.Ident); ok && name.Name == typ {
					found = append(found, texts(call)...)
				}
			}
			return true
		})
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Sample returns a value of a struct in which every property is set, those of the
// structs within it too: every text is a time where the name says so and else "1111",
// which is a quantity and base64 as well; every number is 1 or 1.5, every list has one
// element, every map one of the property's name.
func (s *Source) Sample(structName string) map[string]any {
	s.t.Helper()
	_, file := s.structType(structName)
	out := map[string]any{}
	for _, f := range s.Fields(structName) {
		out[f.Property] = s.sample(f.Property, f.Type, file)
	}
	return out
}

const sampleText = "1111"

func (s *Source) sample(property string, typ ast.Expr, file *sourceFile) any {
	switch typ := typ.(type) {
	case *ast.StarExpr:
		return s.sample(property, typ.X, file)
	case *ast.ArrayType:
		return []any{s.sample(property, typ.Elt, file)}
	case *ast.MapType:
		return map[string]any{property: s.sample(property, typ.Value, file)}
	case *ast.InterfaceType:
		return sampleText
	case *ast.SelectorExpr: // a type of another package, such as metav1.ObjectMeta
		return ReadSource(s.t, Imports(file.File)[typ.X.(*ast.Ident).Name], "pulumiTypes.go").Sample(typ.Sel.Name)
	case *ast.Ident:
		switch typ.Name {
		case "string":
			if property == "time" || strings.HasSuffix(property, "Timestamp") {
				return "2006-01-02T15:04:05Z"
			}
			return sampleText
		case "int":
			return int64(1)
		case "float64":
			return 1.5
		case "bool":
			return true
		}
		return s.Sample(typ.Name)
	}
	s.t.Fatalf("no sample of a %T", typ)
	return nil
}

// Imports returns the import paths of a file by the name under which it uses them.
func Imports(file *ast.File) map[string]string {
	found := map[string]string{}
	for _, spec := range file.Imports {
		importPath, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(importPath)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		found[name] = importPath
	}
	return found
}

func (s *Source) structType(name string) (*ast.StructType, *sourceFile) {
	s.t.Helper()
	for _, file := range s.files {
		if typ := file.structs[name]; typ != nil {
			return typ, file
		}
	}
	s.t.Fatalf("no struct %s", name)
	return nil, nil
}

// function returns a function or method by its name.
func (s *Source) function(name string) *ast.BlockStmt {
	s.t.Helper()
	for _, file := range s.files {
		if f := file.functions[name]; f != nil {
			return f.Body
		}
	}
	s.t.Fatalf("no function %s", name)
	return nil
}

func qualified(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if receiver, ok := typ.(*ast.Ident); ok {
		return receiver.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// selects says whether x is something of this name of something else, whatever that.
func selects(x ast.Expr, name string) bool {
	sel, ok := x.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == name
}

// texts returns the string literals within a node, in order.
func texts(n ast.Node) []string {
	var found []string
	ast.Inspect(n, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, _ := strconv.Unquote(lit.Value)
			found = append(found, text)
		}
		return true
	})
	return found
}
