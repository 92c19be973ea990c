package kubernetes

import (
	"context"
	"errors"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

type helmClients struct{}

var errTODO = errors.New("todo")

func (p *Provider) checkRelease(context.Context, plugin.CheckRequest) (plugin.CheckResponse, error) {
	return plugin.CheckResponse{}, errTODO
}
func (p *Provider) diffRelease(plugin.DiffRequest) (plugin.DiffResponse, error) {
	return plugin.DiffResponse{}, errTODO
}
func (p *Provider) createRelease(context.Context, plugin.CreateRequest) (plugin.CreateResponse, error) {
	return plugin.CreateResponse{}, errTODO
}
func (p *Provider) updateRelease(context.Context, plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	return plugin.UpdateResponse{}, errTODO
}
func (p *Provider) readRelease(context.Context, plugin.ReadRequest) (plugin.ReadResponse, error) {
	return plugin.ReadResponse{}, errTODO
}
func (p *Provider) deleteRelease(context.Context, plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	return plugin.DeleteResponse{}, errTODO
}
