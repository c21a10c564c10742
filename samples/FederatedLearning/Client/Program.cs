using System.Runtime.InteropServices;
using FederatedLearning.Client;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

// A client: settings from the environment or the command line (--CLIENT_ID=2). Ends with 0 at training_complete.
using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, EndInOrder);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, EndInOrder);
using var loggers = LoggerFactory.Create(logging => logging.AddSimpleConsole(console => console.SingleLine = true));
var log = loggers.CreateLogger("Client");
try
{
    var configuration = new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine(args).Build();
    var settings = ClientSettings.From(name => configuration[name]);
    var all = ClientProtocols.All(settings.Id, name => configuration[name], loggers);
    var protocols = ProtocolTable.ForClient(all, settings.Protocols, log.SwitchedOff);
    var learning = LearningSettings.From(name => configuration[name]);
    var share = LearningData.LoadShare(learning, settings.Share);
    log.Data(settings.Id.Value, share.Train.Count, share.Test.Count);
    await using var connection = new ClientConnection(
        settings.Id, protocols, settings.Connection, TimeProvider.System, log);
    var client = new FederatedClient(settings.Id, connection, new Learner(share, settings.Share), log)
    {
        RoundsPerProtocol = settings.RoundsPerProtocol,
    };
    return await client.RunAsync(stop.Token) is TrainingComplete ? 0 : 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 1;
}
catch (Exception error) when (error is InvalidOperationException or ArgumentException or IOException
    or InvalidDataException or LinkException)
{
    log.Failed(error.Message);
    return 1;
}

void EndInOrder(PosixSignalContext context)
{
    context.Cancel = true;
    stop.Cancel();
}
