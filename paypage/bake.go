package paypage

import (
	"errors"
	"fmt"
	"html"
	"html/template"
	"reflect"
	"text/template/parse"
)

// baker prepares a template for one language, so that pages are drawn faster. It replaces {{text "Field"}} and {{language}} by the words,
// and each use of a block by the content of the block.
type baker struct {
	template *template.Template
	tag      string
	texts    Texts
}

// maxDepth is how deep blocks may be nested. A template that uses itself is refused.
const maxDepth = 20

var errDeep = errors.New("templates are nested too deeply")

func (b baker) bake(list *parse.ListNode, depth int) error {
	if list == nil {
		return nil
	}
	if depth > maxDepth {
		return errDeep
	}
	for i, node := range list.Nodes {
		var branch *parse.BranchNode
		switch node := node.(type) {
		case *parse.ActionNode:
			words, is, err := b.words(node.Pipe)
			if err != nil {
				return err
			}
			if is {
				list.Nodes[i] = &parse.TextNode{NodeType: parse.NodeText, Pos: node.Pos, Text: []byte(html.EscapeString(words))}
			}
			continue
		case *parse.TemplateNode:
			block := b.template.Lookup(node.Name)
			if block == nil || block.Tree == nil || !isDot(node.Pipe) {
				continue
			}
			content := block.Tree.Root.CopyList()
			if err := b.bake(content, depth+1); err != nil {
				return err
			}
			list.Nodes[i] = content
			continue
		case *parse.IfNode:
			branch = &node.BranchNode
		case *parse.RangeNode:
			branch = &node.BranchNode
		case *parse.WithNode:
			branch = &node.BranchNode
		default:
			continue
		}
		for _, nested := range []*parse.ListNode{branch.List, branch.ElseList} {
			if err := b.bake(nested, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// isDot reports whether a pipe is "." and nothing else.
func isDot(pipe *parse.PipeNode) bool {
	if pipe == nil || len(pipe.Decl) != 0 || len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return false
	}
	_, is := pipe.Cmds[0].Args[0].(*parse.DotNode)
	return is
}

// words returns the text for {{text "Field"}} or {{language}}. is reports whether the action is one of them.
func (b baker) words(pipe *parse.PipeNode) (text string, is bool, err error) {
	if len(pipe.Cmds) != 1 || len(pipe.Decl) != 0 {
		return "", false, nil
	}
	args := pipe.Cmds[0].Args
	function, ok := args[0].(*parse.IdentifierNode)
	switch {
	case ok && function.Ident == "language" && len(args) == 1:
		return b.tag, true, nil
	case !ok || function.Ident != "text" || len(args) != 2:
		return "", false, nil
	}
	field, ok := args[1].(*parse.StringNode)
	if !ok {
		return "", false, errDynamicText
	}
	if f, found := reflect.TypeFor[Texts]().FieldByName(field.Text); !found || !f.IsExported() {
		return "", false, fmt.Errorf("there is no text %q", field.Text)
	}
	return reflect.ValueOf(b.texts).FieldByName(field.Text).String(), true, nil
}
