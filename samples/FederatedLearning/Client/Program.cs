using System.Runtime.InteropServices;
using FederatedLearning.Amqp;
using FederatedLearning.Client;
using FederatedLearning.Messages;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using SafeAmqp;

// A client: settings from the environment or the command line (--CLIENT_ID=2). Ends with 0 at training_complete.
using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, EndInOrder);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, EndInOrder);
using var loggers = LoggerFactory.Create(logging => logging.AddSimpleConsole(console => console.SingleLine = true));
var log = loggers.CreateLogger("Client");
try
{
    var configuration = new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine(args).Build();
    var settings = ClientSettings.From(configuration);
    var learning = LearningSettings.From(name => configuration[name]);
    var share = LearningData.LoadShare(learning, settings.Share);
    log.Data(settings.Id.Value, share.Train.Count, share.Test.Count);
    await using var link = new AmqpClientLink(settings.Id, settings.Way, AmqpSettings.From(configuration), loggers);
    var client = new FederatedClient(settings.Id, link, new Learner(share, settings.Share), log);
    return await client.RunAsync(stop.Token) is TrainingComplete ? 0 : 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 1;
}
catch (Exception error) when (error is InvalidOperationException or ArgumentException or IOException or InvalidDataException or AmqpException)
{
    log.Failed(error.Message);
    return 1;
}

void EndInOrder(PosixSignalContext context)
{
    context.Cancel = true;
    stop.Cancel();
}
