using System.Runtime.InteropServices;
using ChildPrograms;
using RecipeDemo;

// The demonstration either is done in a minute or has failed. Broker, service and workers end with it, however it ends.
using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(57));
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, EndInOrder);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, EndInOrder);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, EndInOrder);
bool interrupted = false;

try
{
    return await Demonstration.RunAsync(stop.Token) ? 0 : 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    Console.WriteLine(interrupted ? "Interrupted." : "FAILED: it took longer than it may.");
    return 1;
}
catch (Exception error) when (error is LocalBroker.BrokerUnavailableException
    or LocalBroker.PrivateRabbitMqNodeException or ProgramException)
{
    Console.WriteLine($"FAILED: {error.Message}");
    return 1;
}

void EndInOrder(PosixSignalContext context)
{
    context.Cancel = true;
    interrupted = true;
    stop.Cancel();
}
