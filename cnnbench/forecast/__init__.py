"""Forecast of latencies from the operations of a network, fitted on what a machine measured.

A forecast orders a search and says *about* how long a network will take; it never stands where a
measured number does.

============= ==================================================================================
`operations`  counted network -> operations as a runtime executes them
`counts`      their cache in the results folder
`costs`       operations -> one number per kind of work
`evidence`    results folder -> networks with measured latencies, by call path
`fitting`     costs and seconds -> a model, and its error on families left out
`forecaster`  `Forecast`: a fitted call path; `Prediction`
`forecasts`   those of a results folder: fitted, kept, and asked for a latency
============= ==================================================================================
"""

from cnnbench.forecast.forecaster import LIMIT, Forecast, Prediction
from cnnbench.forecast.forecasts import addition, fit, predict_latency, stored

__all__ = ["LIMIT", "Forecast", "Prediction", "addition", "fit", "predict_latency", "stored"]
