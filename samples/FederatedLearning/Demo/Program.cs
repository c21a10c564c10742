using System.Runtime.InteropServices;
using ChildPrograms;
using FederatedLearning.Demo;
using LocalBroker;

// The demonstration either is done in five minutes or has failed. Broker, server and clients end with it, however it
// ends.
using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(5));
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, EndInOrder);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, EndInOrder);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, EndInOrder);
bool interrupted = false;

try
{
    return await Demonstration.RunAsync(args, stop.Token) ? 0 : 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    Console.WriteLine(interrupted ? "Interrupted." : "FAILED: it took longer than it may.");
    return 1;
}
catch (Exception error) when (error is BrokerUnavailableException or PrivateRabbitMqNodeException or ProgramException)
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
