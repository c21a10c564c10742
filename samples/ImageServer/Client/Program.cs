using System.Net.Sockets;
using ChildPrograms;
using ImageServer.Client;
using ImageServer.Local;
using ImageServer.Protocol;
using LocalBroker;

if (ClientOptions.Read(args) is not { } options)
{
    Console.Error.WriteLine(ClientOptions.Usage);
    return 2;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, press) =>
{
    press.Cancel = true;
    stop.Cancel();
};

try
{
    await using var place = await ServerPlace.FindAsync(options, stop.Token);
    using var connection = place.Connection;
    return await new Conversation(connection, options).RunAsync(stop.Token) ? 0 : 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 130;
}
catch (Exception error) when (
    error is SocketException or IOException or InvalidDataException or ProgramException or BrokerUnavailableException)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
