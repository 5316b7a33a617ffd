"""A subcommand: ``cnnbench largest MODEL``."""

import click


@click.command()
@click.argument("model")
def command(model: str) -> None:
    """Print the layer of MODEL with the most MACs."""
    import cnnbench

    layers = cnnbench.inspect(model).layers
    largest = layers.loc[layers["macs"].idxmax()]
    click.echo(f"{largest['name']}: {largest['macs']:,} MACs")
